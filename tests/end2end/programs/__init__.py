"""NumPy programs as people write them; nothing in them knows of tracejit.

One file per field, each with a list `PROGRAMS`. A program that is also a benchmark lives there.
"""
