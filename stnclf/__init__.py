"""Find and classify cells in histology patches."""

