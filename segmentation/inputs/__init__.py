"""The files and tables that a retailer brings: reading and checking them."""
