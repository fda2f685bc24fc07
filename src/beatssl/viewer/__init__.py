"""The viewer: a local web page that shows analysed records and takes corrections."""
