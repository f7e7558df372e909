"""Real object stores on loopback, and a proxy that makes what lies before them fail."""
