"""A lossless stand-in for logrotate's copytruncate, for people who keep their own shipper."""
