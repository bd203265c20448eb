"""One self-contained HTML file for the people who decide with the segments."""
