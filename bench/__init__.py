"""What the product costs, measured: `make bench`. Not a part of the product."""
