"""Container images: two builders behind one seam, and what images are made of."""

from promoter.images.builders import (
    BUILDERS,
    LATEST,
    Builder,
    BuildPlan,
    Built,
    Login,
    builder_for,
    is_pushed,
    move_latest,
    open_registry,
    pushed_image,
    refuse_root,
)

__all__ = [
    "BUILDERS",
    "LATEST",
    "BuildPlan",
    "Builder",
    "Built",
    "Login",
    "builder_for",
    "is_pushed",
    "move_latest",
    "open_registry",
    "pushed_image",
    "refuse_root",
]
