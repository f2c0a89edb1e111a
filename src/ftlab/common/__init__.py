"""What every room may use: errors, paths, whole files, the Hub, processes, hardware, progress."""
