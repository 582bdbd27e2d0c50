<?php
// The daily comparison of the files with their releases.
