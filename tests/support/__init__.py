"""What tests of several rooms share: generated data, tiny real parts, servers, signals."""
