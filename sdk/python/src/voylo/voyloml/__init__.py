"""What the generated builders of VoyloML stand on."""
