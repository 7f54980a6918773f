"""HTML reports, JUnit files and annotations of a comparison."""
