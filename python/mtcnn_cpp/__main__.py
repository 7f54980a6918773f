"""`python -m mtcnn_cpp` is `mtcnn-cpp`."""

from .cli import app

if __name__ == "__main__":
    app(prog_name="mtcnn-cpp")
