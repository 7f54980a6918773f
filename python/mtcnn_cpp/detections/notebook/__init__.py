"""Display of faces, tensors and traces in notebooks."""
