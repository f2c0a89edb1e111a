"""What a notebook is: its parameters, its file, what it shows to the reader, where it runs."""
