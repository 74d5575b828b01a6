"""A study as a page, a text, tables and figures. Needs the extra `report`; never loads TensorFlow."""
