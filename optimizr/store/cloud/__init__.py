"""The clouds, one file each, behind `Backend`; imported only for a URL that names one.

backend.py    what a cloud's bucket is to us, and how it refuses
objects.py    reading and writing, for all of them: through obstore
s3.py gcs.py azure.py web.py    credentials and listing, by each cloud's own library
"""
