"""The report: how well the monitor served its owners, made of what the router keeps."""
