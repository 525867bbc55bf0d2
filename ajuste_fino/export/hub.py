"""Upload an exported folder to the Hugging Face Hub, where a user asks for it."""

import re
from pathlib import Path
from typing import Any

from ajuste_fino.errors import AjusteFinoError, UserError
from ajuste_fino.escape import printable

NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
WAY_OUT = "Log in with `hf auth login` and check the network, or leave upload out."


def require_account(repository: str) -> Any:
    """Return the interface of the hub for an account that is logged in; nothing is sent.

    Raises:
        UserError: for a name that is none, or where the hub does not know who asks.
    """
    if not NAME.fullmatch(repository):
        raise UserError("upload", "must be OWNER/NAME", got=repository, fix="Pass for example upload=me/flowers.")
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.whoami()
    except Exception as error:  # of the network, of the hub, of a missing token
        rule = f"needs an account of the Hugging Face Hub that is logged in ({_short(error)})"
        raise UserError("upload", rule, got=repository, fix=WAY_OUT) from error
    return api


def upload(api: Any, folder: Path, repository: str, private: bool) -> str:
    """Send the files of a folder to a repository, which is made where there is none; return its address.

    Raises:
        AjusteFinoError: where the hub refuses; the folder is as it was.
    """
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Export of ajuste_fino")
    except Exception as error:  # of the network or of the hub
        raise AjusteFinoError(f"{repository} could not be written ({_short(error)}). The files are in {folder}.") from error
    return f"https://huggingface.co/{repository}"


def _short(error: Exception) -> str:
    return printable(" ".join(str(error).split()) or type(error).__name__, most=200)
