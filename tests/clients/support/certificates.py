"""Keys and certificates, made by openssl."""

from support.server import output

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def certify_itself(directory, name, *extensions):
    """Makes a key and a certificate that vouches for itself."""
    command = ["openssl", "req", "-x509", *NEW_KEY, "-days", "2", "-subj", f"/CN={name}"]
    for extension in extensions:
        command += ["-addext", extension]
    output([*command, "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem"])
    return directory / name


def certify(authority, name, names):
    """Makes a key and a certificate of these names, beside that of the authority which signed it."""
    directory = authority.parent
    extensions = directory / "names"
    extensions.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
    request = ["openssl", "req", "-new", *NEW_KEY, "-subj", f"/CN={name}"]
    asked = output([*request, "-keyout", directory / f"{name}.key"])
    sign = ["openssl", "x509", "-req", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key"]
    sign += ["-CAcreateserial", "-days", "2", "-extfile", extensions]
    output([*sign, "-out", directory / f"{name}.pem"], input=asked)
