"""The detector for single images, batches, streams and videos, with hooks on each layer."""
