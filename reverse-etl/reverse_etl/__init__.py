"""Singer records into CRM objects.

The stages, one module each, blocks of records between them: `receiving`, `mapping`, `planning` (with `identity`),
`batching`, `sending`, `settling`, and `target`, which acknowledges by releasing STATE. `adapter` is the seam to a CRM.
"""
