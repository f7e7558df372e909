"""The clouds, one file each, behind `Backend`; imported only for a URL that names one.

backend.py    what a cloud's bucket is to us
refusals.py   what it answers instead of what it was asked for
objects.py    reading and writing, for all of them: through obstore
s3.py gcs.py azure.py web.py    credentials and listing, by each cloud's own library
"""
