"""What Axon's services share besides the contract. It imports neither gRPC nor a web server."""
