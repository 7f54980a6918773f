"""What `mtcnn-cpp bench` measures, and how."""
