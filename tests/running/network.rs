//! Outputs and bindings over the network, storage, and what is cleaned up.

use std::process::Command;

use crate::emulator::emulator;

#[test]
fn the_emulator_keeps_objects_and_parameters() {
    let Some(aws) = emulator() else { return };
    assert_eq!(aws.ask("s3", ("PUT", "/emulator"), &[], b"").0, 200);
    assert_eq!(aws.ask("s3", ("PUT", "/emulator/a/key"), &[], b"value").0, 200);
    assert_eq!(aws.ask("s3", ("GET", "/emulator/a/key"), &[], b""), (200, b"value".to_vec()));
    let parameter = br#"{"Name": "/emulator/TOKEN", "Value": "v", "Type": "SecureString"}"#;
    let ssm = |target, body: &[u8]| aws.ask("ssm", ("POST", "/"), &[("x-amz-target", target)], body);
    assert_eq!(ssm("AmazonSSM.PutParameter", parameter).0, 200);
    let (status, body) = ssm("AmazonSSM.GetParameter", br#"{"Name": "/emulator/TOKEN", "WithDecryption": true}"#);
    let body = String::from_utf8_lossy(&body);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(r#""Value": "v""#), "{body}");
    let mut command = Command::new("sh");
    aws.place(command.args(["-c", "echo $AWS_ENDPOINT_URL"]));
    let told = command.output().expect("a shell").stdout;
    assert_eq!(String::from_utf8_lossy(&told).trim(), aws.endpoint());
}
