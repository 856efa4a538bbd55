"""What is run and what is kept of it: the table of experiments, records, folders of results."""
