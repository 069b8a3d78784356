"""Where the pictures and tables of the documentation are made: `make docs`, or `python -m docs.workshop`.

`rooms` draws the map of the modules, `life` the states of a connection, `terminal` takes a picture of the
demo, `links` looks whether every link leads somewhere. Nothing of the product imports anything from here.
"""
