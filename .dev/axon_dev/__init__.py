"""What must work before anything is installed. These modules import only the standard library."""
