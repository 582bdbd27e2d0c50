-- Read once, while the image is built; only this machine's own socket leads here.
FLUSH PRIVILEGES;
CREATE DATABASE test_site CHARACTER SET utf8mb4;
CREATE USER 'test_site'@'localhost' IDENTIFIED BY 'reachable-by-socket-only';
GRANT ALL ON test_site.* TO 'test_site'@'localhost';
