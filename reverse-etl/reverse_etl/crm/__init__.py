"""The seam to a CRM, and what an adapter is built from: HTTP, sign-in, downloads, scrubbing."""
