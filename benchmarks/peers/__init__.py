"""What optimizr is compared with, as people write it.

Each takes an input folder, an output folder, and how many pictures to do at once.
"""
