"""Changes of saved files as somebody would make them who knows the format."""

import json

from skae.persistence._file import pack, unpack, unpack_about


def edit(path, change):
    """Change the manifest of a file as somebody would who knows the format."""
    data = path.read_bytes()
    manifest, tensors = unpack(data)
    about = {name: text for name, text in unpack_about(data).items() if name != "sha256"}
    change(manifest, tensors, about)
    path.write_bytes(pack(manifest, tensors, about))


def replace_text(path, old, new):
    """Replace a piece of the manifest's text, digest and all."""

    def change(manifest, tensors, about):
        text = json.dumps(manifest)
        assert old in text
        manifest.update(json.loads(text.replace(old, new)))

    edit(path, change)
