"""What can go wrong on the local platform, in words that name the mend."""


class LocalError(Exception):
    """A fault that the user can mend; printed without a traceback."""


class SettingsError(LocalError):
    """An environment variable of the platform holds what it cannot."""


class SecretError(LocalError):
    """A secret's value is missing, or the file of values is open to others or unreadable."""


class PrepareError(LocalError):
    """What a replica needs before it can start cannot be had; it is tried again with back-off."""
