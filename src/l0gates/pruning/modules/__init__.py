"""What stands in a compact model where another module stood in the dense one."""
