# The folder itself is `prod`.
packages = "../../target/packages"
