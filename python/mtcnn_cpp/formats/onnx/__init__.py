"""Write networks as ONNX graphs, and read and run untrusted ONNX graphs. This needs the package onnx."""
