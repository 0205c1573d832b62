"""The main job told as a story on the embedded sandbox: three branches, two environments, one bad release."""
