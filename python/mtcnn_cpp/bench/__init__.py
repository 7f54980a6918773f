"""The measurements of `mtcnn-cpp bench`, and the report of their results."""
