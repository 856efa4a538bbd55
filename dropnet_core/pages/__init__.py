"""What notebooks, pages of the book and the command line say."""
