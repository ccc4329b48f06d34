"""How procedural objects are made: forms (surfaces), paints (pictures and finishes), and the kinds built from them."""
