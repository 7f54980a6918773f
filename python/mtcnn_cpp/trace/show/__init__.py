"""Showing a report: one HTML file with pictures. Needs the extra `report`."""
