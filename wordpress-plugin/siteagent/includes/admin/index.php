<?php
// The settings page and WordPress's own screens.
