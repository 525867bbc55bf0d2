"""From files on disk to tensors: one loader, one resize, one table of samples."""
