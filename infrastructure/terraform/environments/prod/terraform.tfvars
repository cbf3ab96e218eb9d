packages = "../../../../target/packages"
