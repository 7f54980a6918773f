"""ONNX files: written by us, and read from anybody. Needs the package onnx."""
