"""The stages of a block of records, one module each; `engine` joins them."""
