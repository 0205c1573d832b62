"""The errors that ECS's API answers with."""


class ApiError(Exception):
    """An error answer: `code` is a shape of ECS's API model, for example `ClusterNotFoundException`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class StartError(Exception):
    """A task cannot start; the text is its stopped reason, in the words of ECS."""


def invalid(message: str) -> ApiError:
    """Return the error for a parameter that does not fit."""
    return ApiError("InvalidParameterException", message)


def unsupported(message: str) -> ApiError:
    """Return the error for what the sandbox does not do."""
    return ApiError("UnsupportedFeatureException", f"{message} is not supported by the sandbox.")
