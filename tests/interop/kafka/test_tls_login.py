"""TLS and SASL PLAIN against a real Apache Kafka broker, with certificates made here."""
import os
import subprocess

import pytest
from deltalake import DeltaTable
from weir_programs import TOPIC, WEIR, event_schema, free_port, real_kafka, simulate

PASSWORD = "correct horse battery"
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


def openssl(*arguments, **more):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


def make_authority(folder, name):
    key, certificate = (os.path.join(folder, f"{name}.{kind}") for kind in ("key", "pem"))
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", key, "-out", certificate)
    return key, certificate


def make_keystore(folder, name, authority, host):
    """A PEM key store: private key and a certificate for `host`."""
    key, request, certificate, store, more = (os.path.join(folder, f"{name}.{kind}") for kind in ("key", "csr", "crt", "store.pem", "ext"))
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    with open(more, "w") as f:
        f.write(f"subjectAltName=DNS:{host}\n")
    openssl("x509", "-req", "-days", "2", "-in", request, "-CA", authority[1], "-CAkey", authority[0], "-CAcreateserial",
            "-extfile", more, "-out", certificate)
    with open(store, "w") as f:
        f.write(open(key).read() + open(certificate).read())
    return store


def broker_settings(keystore):
    return {"sasl.enabled.mechanisms": "PLAIN", "ssl.keystore.type": "PEM", "ssl.keystore.location": keystore,
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{LOGIN} user_alice="{PASSWORD}";'}


def ingest(tmp_path, name, port, authority, password=PASSWORD, **more):
    options = {"kafka.security.protocol": "SASL_SSL", "kafka.sasl.mechanism": "PLAIN",
               "kafka.sasl.jaas.config": f'{LOGIN} username="alice" password="{password}";',
               "kafka.ssl.truststore.type": "PEM", "kafka.ssl.truststore.location": authority[1], **more}
    arguments = [part for option in options.items() for part in ("--option", "=".join(option))]
    return subprocess.run([WEIR, "ingest", "--from", f"kafka://localhost:{port}/{TOPIC}", "--schema", event_schema(),
                           "--to", str(tmp_path / name), "--checkpoint", str(tmp_path / f"{name}.checkpoint"),
                           "--trigger", "availableNow", *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)


@pytest.fixture(scope="module")
def secure_kafka(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("kafka"))
    authority = make_authority(folder, "authority")
    port = free_port()
    settings = broker_settings(make_keystore(folder, "broker", authority, "localhost"))
    with real_kafka(folder, {TOPIC: 2}, settings, port) as bootstrap:
        simulate(bootstrap, 5_000)
        yield port, authority


@pytest.mark.parametrize("versions", ["TLSv1.2", "TLSv1.3", "TLSv1.2,TLSv1.3"])
def test_a_login_over_tls_reads_everything(tmp_path, secure_kafka, versions):
    port, authority = secure_kafka
    done = ingest(tmp_path, "table", port, authority, **{"kafka.ssl.enabled.protocols": versions})
    assert done.returncode == 0, done.stdout[-2000:]
    assert DeltaTable(str(tmp_path / "table")).to_pyarrow_table(columns=["eventId"]).num_rows == 5_000
    assert PASSWORD not in done.stdout


def refused(done, port, why):
    assert done.returncode != 0
    assert f"localhost:{port}" in done.stdout, done.stdout[-2000:]
    assert why in done.stdout, done.stdout[-2000:]
    assert PASSWORD not in done.stdout and "wrong secret" not in done.stdout


def test_what_is_wrong_is_named(tmp_path, secure_kafka):
    port, authority = secure_kafka
    refused(ingest(tmp_path, "password", port, authority, password="wrong secret"), port, "Invalid username or password")
    another = make_authority(str(tmp_path), "another")
    refused(ingest(tmp_path, "authority", port, another), port, "certificate is not trusted")


def test_a_certificate_for_another_host_is_refused(tmp_path):
    authority = make_authority(str(tmp_path), "authority")
    port = free_port()
    settings = broker_settings(make_keystore(str(tmp_path), "broker", authority, "broker.example.org"))
    with real_kafka(str(tmp_path), {TOPIC: 1}, settings, port):
        refused(ingest(tmp_path, "host", port, authority), port, "hostname mismatch")
        done = ingest(tmp_path, "unchecked", port, authority, **{"kafka.ssl.endpoint.identification.algorithm": ""})
        assert done.returncode == 0, done.stdout[-2000:]
