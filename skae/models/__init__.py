"""One family of networks a file: the network, its training loss, its start from the data."""
