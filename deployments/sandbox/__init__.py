"""The embedded default: every outside part of a promotion, real, on loopback."""
